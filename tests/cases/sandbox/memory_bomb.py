# expect: memory_limit
blocks = []
while True:
    blocks.append(bytearray(b"x" * (16 << 20)))
