# expect: failed
def readable(path):
    try:
        return bool(open(path, "rb").read())
    except OSError:
        return False
assert any(readable(p) for p in ("/etc/shadow", "/etc/passwd", "/etc/hostname", "/etc/hosts", "/etc/ssl/openssl.cnf"))
