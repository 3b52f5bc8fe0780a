"""What OpenAI's client for Python makes of the server's answers and errors. Usage: openai_client.py PROGRAM"""

import pathlib
import subprocess
import sys
import tempfile

import openai

MODEL = "all-MiniLM-L6-v2"


def ask(port):
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
    texts = ["A stream is a queue, not a thread.", "A queue of work, and no thread, is what a stream is.", "cat"]
    answer = client.embeddings.create(model=MODEL, input=texts)  # in base64, unless told otherwise
    rows = [entry.embedding for entry in answer.data]
    assert [len(row) for row in rows] == [384] * 3 and answer.usage.total_tokens > 20, answer.usage
    near, far = (sum(a * b for a, b in zip(rows[0], row)) for row in rows[1:])
    assert near > 0.8 > 0.3 > far, (near, far)
    plain = client.embeddings.create(model=MODEL, input=texts[2], encoding_format="float").data[0].embedding
    assert max(abs(a - b) for a, b in zip(plain, rows[2])) < 1e-6
    assert [model.id for model in client.models.list().data] == [MODEL]
    for wrong, kind, parameter in (
        ({"model": "gpt", "input": "x"}, openai.NotFoundError, "model"),
        ({"model": MODEL, "input": ""}, openai.BadRequestError, "input"),
        ({"model": MODEL, "input": "x", "dimensions": 5}, openai.BadRequestError, "dimensions"),
    ):
        try:
            client.embeddings.create(**wrong)
            raise AssertionError(wrong)
        except kind as error:
            assert error.param == parameter, error


with tempfile.TemporaryDirectory() as folder:
    (pathlib.Path(folder) / "text").write_text("Some text.\n")
    server = subprocess.Popen([sys.argv[1], "--port=0", folder], stdout=subprocess.PIPE, text=True)
    try:
        ask(int(server.stdout.readline().rstrip("/\n").rsplit(":", 1)[1]))
    finally:
        server.terminate()
    assert server.wait(timeout=30) == 0
print(f"openai {openai.__version__}: as its own service")
