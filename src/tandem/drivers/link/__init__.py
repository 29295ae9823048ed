"""Pod links, node addresses and routes: state -> kernel, by batched rtnetlink in one helper thread without forks."""
