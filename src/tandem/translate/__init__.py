"""Model -> IR, with Problems. Pure: whole World in, whole value out."""
