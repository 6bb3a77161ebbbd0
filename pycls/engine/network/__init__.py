"""How a network is run: precision, compiler, several processes, frozen parts, precise batch norm."""
