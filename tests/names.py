"""Names of networks that are legal, and would mean something else where a character is not kept from it."""

HOSTILE = {
    "comment": "*/ #error \"net\" /* '*'",
    "trigraph": "what ??/",
    "backslash": "net\\",
    "directive": '`include "/etc/passwd" `define x',
    "pragma": "synopsys translate_off",
    "verilator": "verilator lint_off",
    "mathtext": "$x$ costs $\\frac{",
    "markup": "[/] [bold]red[/bold] :smile:",
    "shell": "a; rm -rf ~ `id` $(id) 'x' \"y\" && b | c > d",
    "path": "../../out/of here",
    "scripts": "网络 сеть נטו \U0001f600",
    "xml": "<script>&amp;--></text>",
    "format": "{title} %s $name ${name}",
    "digit": "1st",
    "space": " ",
    "longest": "x" * 100,
}
