"""What a user may do: one function per action, each deciding and then acting through the ports."""
