# expect: exited runtime_error
import ctypes
ctypes.CDLL(None)._exit(0)
