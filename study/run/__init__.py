"""From trials to records: packs are fed to workers on this machine or on a cluster."""
