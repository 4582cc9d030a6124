# expect: failed
# backends: namespaces
def attempt():
    try:
        for n in range(10000):
            open("file%d" % n, "w").close()
        return True
    except OSError:
        return False
assert attempt()
