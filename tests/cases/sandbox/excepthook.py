# expect: failed
import os, sys, threading
sys.excepthook = sys.unraisablehook = lambda *a: os._exit(0)
threading.excepthook = lambda *a: os._exit(0)
assert False
