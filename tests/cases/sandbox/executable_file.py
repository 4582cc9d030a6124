# expect: failed
# backends: namespaces
import mmap, os
with open("code", "wb") as file:
    file.write(b"\x90" * 4096)
def attempt():
    fd = os.open("code", os.O_RDWR)
    try:
        mmap.mmap(fd, 4096, flags=mmap.MAP_PRIVATE, prot=5)
        return True
    except (OSError, ValueError):
        return False
assert attempt()
