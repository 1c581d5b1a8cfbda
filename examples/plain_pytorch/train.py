import torch


def train(data, rows, loss, seed, report, epochs=8, lr=0.01, batch=256):
    torch.manual_seed(seed)
    x = torch.as_tensor(data.images[:]).flatten(1) / 255
    y = torch.as_tensor(data.targets).float()
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 64), torch.nn.ReLU(), torch.nn.Linear(64, y.shape[1]))
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        for part in torch.as_tensor(rows["train"])[torch.randperm(len(rows["train"]))].split(batch):
            value = loss.at(epoch / epochs)(model(x[part]), y[part])
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
        report(epoch, train_loss=value.item())
    with torch.no_grad():
        return {split: (loss.probabilities(model(x[rows[split]])), y[rows[split]]) for split in ("val", "test")}
