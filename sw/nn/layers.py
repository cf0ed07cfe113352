"""Layers: functions of a tensor with named parameters. All of them by one import; see the modules for what each is."""

from sw.nn.activations import LeakyReLU, ReLU, Sigmoid, Softmax, Step, Tanh
from sw.nn.containers import Add, Sequential
from sw.nn.convolution import Conv2d
from sw.nn.dense import Dense, Flatten
from sw.nn.layer import Layer
from sw.nn.normalization import BatchNorm, Dropout
from sw.nn.pooling import AvgPool, GlobalAvgPool, MaxPool

__all__ = [
    "Add",
    "AvgPool",
    "BatchNorm",
    "Conv2d",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool",
    "Layer",
    "LeakyReLU",
    "MaxPool",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Step",
    "Tanh",
]
