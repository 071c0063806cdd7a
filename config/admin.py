"""Users, agents and keys in the admin."""
