# expect: failed
import os
def found():
    try:
        return [p for p in os.listdir("/proc") if p.isdigit()]
    except OSError:
        return []
assert found()
