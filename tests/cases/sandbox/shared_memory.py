# expect: failed
def attempt():
    try:
        from multiprocessing import shared_memory
        shared_memory.SharedMemory(create=True, size=4096)
        return True
    except (OSError, ImportError):
        return False
assert attempt()
