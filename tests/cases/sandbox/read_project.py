# expect: failed
def readable(path):
    try:
        return bool(open(path, "rb").read())
    except OSError:
        return False
assert any(readable(p) for p in ("@SOURCE@/CMakeLists.txt", "../" * 12 + "@SOURCE@/CMakeLists.txt", "@SECRET_FILE@"))
