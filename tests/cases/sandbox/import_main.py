# expect: failed
import __main__
assert hasattr(__main__, "serve") or hasattr(__main__, "zygote")
