"""The rows of the CPU table that PyTorch has, in eager mode on the CPU."""

import torch

import pyrows


class Torch:
    make = staticmethod(torch.from_numpy)
    add = staticmethod(torch.add)
    matmul = staticmethod(torch.matmul)
    sum = staticmethod(torch.sum)

    @staticmethod
    def fused(a, b, c):
        return torch.sqrt(torch.abs(a * b + c)) * torch.exp(-a)

    @staticmethod
    def softmax(a):
        return torch.softmax(a, -1)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    pyrows.main(Torch)
