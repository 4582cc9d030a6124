# expect: failed
import sys
for name, module in list(sys.modules.items()):
    for key in ("report", "serve", "describe", "refuse", "zygote"):
        if hasattr(module, key):
            setattr(module, key, lambda *a, **k: None)
names = sys._getframe(1).f_globals
for key in list(names):
    if not key.startswith("__"):
        names[key] = None
assert False
