# expect: failed
import socket
def attempt():
    try:
        socket.socket(socket.AF_UNIX).connect("\0qeval-test")
        return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
assert attempt()
