"""Encryption between nodes by WireGuard: the kernel's where there is one, else wireguard-go over a TUN device."""
