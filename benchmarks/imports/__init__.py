"""Folders of models by the thousand: small models with unusual configs and files, imported and compared with transformers."""
