"""A peer of bench/serve.c, which says what is measured and what is printed.

Usage: serve_peers.py PEER WAY MODEL SENTENCES rows | rate CALLERS SECONDS BULK | given_up TIMES
PEER is onnx, whose MODEL is what serve_onnx.py makes, beside tokenizer.json's folder in WEIR_BENCH_TOKENIZER; or
torch, whose MODEL is a folder that sentence-transformers reads. WAY is how callers are served: each, every caller
computes its own sentence with all processors; one, with one; or batch, a thread takes what waits, 32 at most.
WEIR_BENCH_DEVICE says where PyTorch computes, "cuda" or, where it is not set, "cpu".
"""

import os
import queue
import sys
import threading
import time

PEER, WAY, MODEL, SENTENCES, WHAT = sys.argv[1:6]
TOGETHER, BULK, SHOWN = 32, 16, 8
THREADS = 1 if WAY == "one" else os.cpu_count()


class Onnx:
    def __init__(self):
        import onnxruntime
        from tokenizers import Tokenizer

        self.np = __import__("numpy")
        self.run_options = onnxruntime.RunOptions
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self.session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(os.path.join(os.environ["WEIR_BENCH_TOKENIZER"], "tokenizer.json"))
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(256)

    def rows(self, texts, options=None):
        encoded = self.tokenizer.encode_batch(texts)
        given = {"ids": self.np.array([e.ids for e in encoded], dtype=self.np.int64),
                 "mask": self.np.array([e.attention_mask for e in encoded], dtype=self.np.int64)}
        return self.session.run(["rows"], given, options)[0]

    def give_up_after(self, texts, seconds):
        """Batches until then; what runs then ends behind the node that it is at."""
        options = self.run_options()
        timer = threading.Timer(seconds, lambda: setattr(options, "terminate", True))
        timer.start()
        try:
            for at in range(0, len(texts), TOGETHER):
                self.rows(texts[at : at + TOGETHER], options)
        except Exception as error:  # its own kind of Fail
            if "terminate" not in str(error):
                raise


class Torch:
    def __init__(self):
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(THREADS)
        self.model = SentenceTransformer(MODEL, device=os.environ.get("WEIR_BENCH_DEVICE", "cpu"))

    def rows(self, texts):
        return self.model.encode(texts, batch_size=TOGETHER, show_progress_bar=False)

    def give_up_after(self, texts, seconds):
        """A call has no way to be ended: between two of them there is one."""
        end = time.monotonic() + seconds
        for at in range(0, len(texts), TOGETHER):
            if time.monotonic() > end:
                return
            self.rows(texts[at : at + TOGETHER])


class Batches:
    """A thread that takes what waits."""

    def __init__(self, peer):
        self.peer, self.waiting = peer, queue.SimpleQueue()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            taken = [self.waiting.get()]
            while len(taken) < TOGETHER and not self.waiting.empty():
                taken.append(self.waiting.get())
            rows = self.peer.rows([text for text, _ in taken])
            for row, (_, answer) in zip(rows, taken):
                answer.put(row)

    def row(self, text, answer):
        self.waiting.put((text, answer))
        return answer.get()


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else float("inf")


def measure_rate(peer, texts, callers, seconds, bulk):
    batches = Batches(peer) if WAY == "batch" else None
    begin = time.monotonic() + 1
    end = begin + seconds
    times, done = [], [0]

    def call(number):
        answer, at = queue.SimpleQueue(), number
        while (start := time.monotonic()) < end:
            if batches:
                batches.row(texts[at % len(texts)], answer)
            else:
                peer.rows([texts[at % len(texts)]])
            at += callers
            if begin <= start and time.monotonic() < end:
                times.append(time.monotonic() - start)

    def work_in_bulk():
        alike, at = sorted(texts, key=len), 0
        while time.monotonic() < end:
            peer.rows(alike[at : at + BULK])
            at = (at + BULK) % len(alike)
            if begin <= time.monotonic() < end:
                done[0] += BULK

    def watch():
        time.sleep(begin - time.monotonic())
        before = time.process_time()
        time.sleep(end - time.monotonic())
        cpu.append(time.process_time() - before)

    cpu = []
    threads = [threading.Thread(target=watch)]
    threads += [threading.Thread(target=call, args=(number,)) for number in range(callers)]
    threads += [threading.Thread(target=work_in_bulk)] * bulk
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"rate\t{len(times) / seconds:.1f}\nmedian\t{percentile(times, 0.5):.6f}\np99\t{percentile(times, 0.99):.6f}\n"
          f"bulk\t{done[0] / seconds:.1f}\ncpu\t{cpu[0] / max(1, len(times) + done[0]):.6f}")


def measure_given_up(peer, texts, times):
    many = (texts * 2048)[:2048]
    peer.rows(many[:TOGETHER])
    for _ in range(times):
        cost, begin = [], time.monotonic()

        def watch():
            time.sleep(begin + 0.105 - time.monotonic())
            before = time.process_time()
            time.sleep(begin + 0.305 - time.monotonic())
            cost.append(time.process_time() - before)

        watcher = threading.Thread(target=watch)
        watcher.start()
        peer.give_up_after(many, 0.1)
        took = time.monotonic() - begin
        watcher.join()
        print(f"returned\t{took:.6f}\ncost\t{cost[0]:.6f}")


def main():
    peer = {"onnx": Onnx, "torch": Torch}[PEER]()
    with open(SENTENCES, encoding="utf-8") as file:
        texts = file.read().splitlines()
    if WHAT == "rows":
        for row in peer.rows(texts[:SHOWN]):
            for value in row:
                print(f"row\t{value:.9g}")
    elif WHAT == "rate":
        measure_rate(peer, texts, int(sys.argv[6]), float(sys.argv[7]), int(sys.argv[8]))
    else:
        measure_given_up(peer, texts, int(sys.argv[6]))


main()
