import timm
import torch
from sklearn.datasets import load_digits


def train(seed, device, epochs=4, lr=0.003, model="test_resnet"):
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None].expand(-1, 3, -1, -1)
    x, y = torch.nn.functional.interpolate(x, size=32).to(device), torch.tensor(digits.target).to(device)
    test, rest = torch.arange(600), 600 + torch.randperm(len(y) - 600)
    rows = {"train": rest[300:], "val": rest[:300], "test": test}
    network = timm.create_model(model, num_classes=10).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=lr)
    for _ in range(epochs):
        for part in rows["train"][torch.randperm(len(rows["train"]))].split(64)[:-1]:
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(x[part]), y[part]).backward()
            optimiser.step()
    network.eval()
    with torch.no_grad():
        return {split: (network(x[rows[split]]).softmax(1), y[rows[split]]) for split in ("val", "test")}
