# expect: runtime_error
import subprocess
subprocess.run(["/bin/sh", "-c", "exit 0"], check=True)
