"""The rows of the CPU table that NumPy has: it computes at once, so there is no record."""

import numpy as np

import pyrows


class Numpy:
    add = staticmethod(np.add)
    matmul = staticmethod(np.matmul)
    sum = staticmethod(np.sum)

    @staticmethod
    def make(x):
        return x

    @staticmethod
    def fused(a, b, c):
        return np.sqrt(np.abs(a * b + c)) * np.exp(-a)

    @staticmethod
    def softmax(a):
        e = np.exp(a - a.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


if __name__ == "__main__":
    pyrows.main(Numpy)
