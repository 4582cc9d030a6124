#!/usr/bin/env python3
"""Write a C++ file that holds the named files: embed.py ROOT LIST OUT.cc"""
import sys

root, listing, out = sys.argv[1:4]
names = [line.strip() for line in open(listing) if line.strip()]
with open(out, "w") as f:
    f.write('#include "qeval/util/assets.h"\n\nnamespace qeval {\nnamespace {\n')
    for i, name in enumerate(names):
        data = open(f"{root}/{name}", "rb").read()
        f.write(f"const unsigned char data_{i}[] = {{" + ",".join(map(str, data + b"\0")) + "};\n")
    f.write("}  // namespace\n\nconst std::vector<Asset>& shipped_assets() {\n  static const std::vector<Asset> assets = {\n")
    for i, name in enumerate(names):
        f.write(f'      {{"{name}", {{reinterpret_cast<const char*>(data_{i}), sizeof(data_{i}) - 1}}}},\n')
    f.write("  };\n  return assets;\n}\n\n}  // namespace qeval\n")
