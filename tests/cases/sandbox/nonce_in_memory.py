# expect: exited
import gc, os, re, sys
found = set()
pattern = re.compile(rb"[0-9a-f]{32}")
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
        found.update(pattern.findall(repr(value).encode()))
    frame = frame.f_back
for thing in gc.get_objects():
    if isinstance(thing, (tuple, list, dict)) and len(thing) < 1000:
        for value in (thing.values() if isinstance(thing, dict) else thing):
            if isinstance(value, (bytes, str)):
                found.update(pattern.findall(value if isinstance(value, bytes) else value.encode("utf-8", "replace")))
for fd in range(3, 64):
    for text in found:
        try:
            os.write(fd, text)
        except OSError:
            pass
os._exit(0)
