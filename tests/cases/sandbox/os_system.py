# expect: failed
import os
assert os.system("true") == 0
