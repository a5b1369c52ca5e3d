#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Turns the file IN into the C file OUT, which defines its bytes as proto/descriptor_set.h
declares them."""
import sys


def main():
    source, target = sys.argv[1:]
    with open(source, "rb") as f:
        data = f.read()
    with open(target, "w", encoding="ascii") as f:
        f.write('#include "proto/descriptor_set.h"\n\nconst uint8_t descriptor_set[] = {\n')
        for at in range(0, len(data), 16):
            f.write("        " + ", ".join(f"0x{byte:02x}" for byte in data[at:at + 16]) + ",\n")
        f.write("};\n\nconst size_t descriptor_set_size = sizeof(descriptor_set);\n")


main()
