"""What the official image's entry point does: makes the first user once, then serves with TLS and users."""
import os
import subprocess
import sys

from pymongo import MongoClient

data = "/data/db/secantus"
made = "/data/db/first-user"
server = [sys.executable, "-m", "secantus", "--port", "27017", "--storage-path", data, "--cache-size", "128M", "--sync-on-commit"]

if not os.path.exists(made):
    with open(os.environ["MONGO_INITDB_ROOT_PASSWORD_FILE"]) as file:
        password = file.read()
    first = subprocess.Popen(server + ["--host", "127.0.0.1"])
    client = MongoClient("mongodb://127.0.0.1:27017/?directConnection=true", serverSelectionTimeoutMS=60_000)
    client.admin.command("createUser", "root", pwd=password, roles=[{"role": "root", "db": "admin"}])
    client.close()
    first.terminate()
    first.wait()
    open(made, "w").close()

tls = ["--tls-cert-file", "/secrets/certificate.pem", "--tls-key-file", "/secrets/key.pem"]
os.execv(sys.executable, server + ["--host", os.environ["STAND_IN_HOST"], "--auth", *tls])
