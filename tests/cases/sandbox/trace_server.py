# expect: runtime_error
import sys
frame = sys._getframe(1)
frame.f_trace = lambda *a: None
sys.setprofile(lambda *a: None)
assert False
