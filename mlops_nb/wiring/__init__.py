"""Adapters wired to verbs: what each door of a project opens on."""
