"""The C that sw/export/c_source.py fills in: string.Template texts, one for each kind of layer.

It is C99 and also C++. Shifts are of non-negative numbers only, for what >> does with negative ones is left to the
implementation (ISO/IEC 9899:1999, section 6.5.7).
"""

from string import Template

HEADER = Template("""\
/* $title: a quantized neural network, as constants and as a function that computes it.

   Written by $generator from the network with SHA-256
   $sha256.
   All arithmetic is on integers and exact: the logits are those of amarray's golden model, bit for bit.

       int ${name}_classify(const uint8_t *pixels, ${name}_logit *logits);

   pixels: ${NAME}_PIXELS numbers 0..255, in the order height, width, channel; raw, without preprocessing.
   logits: room for ${NAME}_CLASSES numbers.
   Returns the index of the greatest logit, the lowest index on a tie. Needs $stack bytes of stack for activations,
   no heap and no library.

   This file is generated; it belongs to whoever generated it, who may use it without any condition. */

#ifndef ${NAME}_H
#define ${NAME}_H

#include <stdint.h>

#define ${NAME}_HEIGHT $height
#define ${NAME}_WIDTH $width
#define ${NAME}_CHANNELS $channels
#define ${NAME}_PIXELS $pixels
#define ${NAME}_CLASSES $classes
#define ${NAME}_LAYERS $layers

typedef $logit ${name}_logit;

$rounding${body}static inline int ${name}_classify(const uint8_t *pixels, ${name}_logit *logits)
{
$tensors$calls
    int label = 0;
    for (int c = 1; c < ${NAME}_CLASSES; ++c)
        if (logits[c] > logits[label])
            label = c;
    return label;
}

#endif
""")

ROUNDING = Template("""\
/* value / 2^shift, rounded to the nearest integer, halves up, and clamped to low..high. */
static inline int64_t ${name}_round(int64_t value, int shift, int64_t low, int64_t high)
{
    value += ((int64_t)1 << shift) >> 1;
    value = value < 0 ? ~(~value >> shift) : value >> shift;
    return value < low ? low : value > high ? high : value;
}

""")

ARRAY = Template("""\
#define ${NAME}_SIZE $size
static const $type $name[$size] = { /* $axes */
$values
};
""")

FUNCTION = Template("""\
/* Layer $index, $kind: $arrows. */
static inline void ${name}($arguments, $output *y)
{
$code}

""")

DENSE = Template("""\
    for (int32_t o = 0; o < $outputs; ++o) {
        $sum sum = ${name}_bias[o];
        for (int32_t i = 0; i < $inputs; ++i)
            sum += ($sum)${name}_weight[o * $inputs + i] * x[i];
        y[o] = $result;
    }
""")

CONV2D = Template("""\
    for (int32_t row = 0; row < $rows; ++row)
        for (int32_t column = 0; column < $columns; ++column)
            for (int32_t o = 0; o < $outputs; ++o) {
                const int32_t first = o / ($outputs / $groups) * $depth;
                $sum sum = ${name}_bias[o];
                for (int32_t i = 0; i < $window_rows; ++i) {
                    const int32_t r = row * $stride + i - $padding;
                    if (r < 0 || r >= $height)
                        continue;
                    for (int32_t j = 0; j < $window_columns; ++j) {
                        const int32_t s = column * $stride + j - $padding;
                        if (s < 0 || s >= $width)
                            continue;
                        for (int32_t c = 0; c < $depth; ++c)
                            sum += ($sum)${name}_weight[((o * $window_rows + i) * $window_columns + j) * $depth + c]
                                 * x[(r * $width + s) * $channels + first + c];
                    }
                }
                y[(row * $columns + column) * $outputs + o] = $result;
            }
""")

POOL = Template("""\
    for (int32_t row = 0; row < $rows; ++row)
        for (int32_t column = 0; column < $columns; ++column)
            for (int32_t o = 0; o < $outputs; ++o) {
                $start;
                for (int32_t i = 0; i < $window_rows; ++i)
                    for (int32_t j = 0; j < $window_columns; ++j) {
                        const $input next = x[((row * $stride + i) * $width + column * $stride + j) * $channels + o];
                        $step;
                    }
                y[(row * $columns + column) * $outputs + o] = $result;
            }
""")

ADD = Template("""\
    for (int32_t k = 0; k < $positions; ++k)
        for (int32_t o = 0; o < $outputs; ++o) {
            const int32_t at = k * $outputs + o;
            const $sum sum = ($sum)${name}_weight[0] * x[at] + ($sum)${name}_weight[1] * z[at];
            y[at] = $result;
        }
""")
