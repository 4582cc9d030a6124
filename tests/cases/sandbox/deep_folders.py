# expect: failed
import os
for n in range(1500):
    os.mkdir("d")
    os.chdir("d")
assert False
