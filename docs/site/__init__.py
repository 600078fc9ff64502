"""The site: which page is made of which file (`pages.toml`), and what MkDocs needs for it. `make site` builds it."""
