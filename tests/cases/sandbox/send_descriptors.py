# expect: exited
import os, socket
for fd in range(3, 64):
    try:
        os.fstat(fd)
        peer = socket.socket(fileno=os.dup(fd))
        for _ in range(20):
            peer.sendmsg([b"1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, (0).to_bytes(4, "little") * 30)])
    except OSError:
        pass
os._exit(0)
