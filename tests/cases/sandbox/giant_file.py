# expect: failed
def attempt():
    try:
        with open("giant", "wb") as file:
            for _ in range(64):
                file.write(b"x" * (1 << 20))
        return True
    except OSError:
        return False
assert attempt()
