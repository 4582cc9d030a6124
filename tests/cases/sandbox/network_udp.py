# expect: failed
import socket
def attempt():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", @PORT@))
        return True
    except OSError:
        return False
assert attempt()
