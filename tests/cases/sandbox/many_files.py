# expect: failed
# backends: namespaces
def attempt():
    try:
        for n in range(20):
            with open("file%d" % n, "wb") as file:
                file.write(b"x" * (10 << 20))
        return True
    except OSError:
        return False
assert attempt()
