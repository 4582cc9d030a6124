# expect: output_limit
import os
while True:
    os.write(1, b"\xff" * 65536)
