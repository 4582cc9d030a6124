# expect: failed
import os
os._exit = lambda code: None
os.write = lambda fd, data: len(data)
os.read = lambda fd, n: b"go"
assert 1 == 2
