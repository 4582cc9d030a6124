# expect: failed runtime_error
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
parent = libc.getppid() or 1
results = [libc.socket(2, 1, 0), libc.unshare(0x10000000), libc.unshare(0x40000000), libc.unshare(0x20000000), libc.mount(b"none", b"/tmp", b"tmpfs", 0, 0),
           libc.chroot(b"/"), libc.setns(0, 0), libc.ptrace(16, parent, 0, 0), libc.ptrace(0, 0, 0, 0), libc.syscall(434, 1, 0) if False else -1,
           libc.syscall(310, parent, 0, 0, 0, 0, 0), libc.syscall(311, parent, 0, 0, 0, 0, 0), libc.syscall(321, 0, 0, 0), libc.syscall(425, 1, 0),
           libc.syscall(250, 0, 0, 0, 0, 0), libc.syscall(298, 0, 0, 0, 0, 0), libc.prctl(4, 0, 0, 0, 0), libc.personality(0x0040000),
           libc.memfd_create(b"x", 0), libc.syscall(438, 3, 0, 0), libc.shmget(1, 4096, 0o1600)]
assert any(r >= 0 for r in results), results
