# expect: failed
import socket
def attempt():
    try:
        socket.create_connection(("127.0.0.1", @PORT@), timeout=1).close()
        return True
    except OSError:
        return False
assert attempt(), "no network"
