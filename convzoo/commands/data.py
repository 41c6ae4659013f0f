"""`convzoo data`: lists, downloads and shows data sets."""

from typing import Any

from convzoo.core.errors import RecipeError
from convzoo.core.text import size_in_words
from convzoo.datasets.cards import list_cards, load_card
from convzoo.datasets.download import fetch


def main(options: Any) -> None:
    """List the data sets, download one, or print its card."""
    if options.action == "list":
        cards = [load_card(name) for name in list_cards()]
        width = max(len(card.name) for card in cards)
        for card in cards:
            size = sum(entry.bytes or 0 for entry in card.entries)
            print(f"{card.name:<{width}}  {card.modality:<8}  {size_in_words(size):>9}  {card.title}")
        return
    if options.name is None:
        raise RecipeError(f"convzoo data {options.action} NAME: name a data set; `convzoo data list` shows them")
    card = load_card(options.name)
    if options.action == "get":
        fetched = fetch(card.name)
        print(f"{card.name}: {len(fetched.files)} files, checked, in {fetched.folder}")
        return
    for key, value in card.model_dump(exclude_none=True).items():
        if key not in ("files", "folders") and value not in ("", None):
            print(f"{key}: {value}")
    for file in card.files:
        print(f"file: {file.name}  {size_in_words(file.bytes or 0)}  sha256 {file.sha256}")
        for source in file.sources:
            print(f"      {source.address}{'  (address not tried)' if source.unverified else ''}")
    for folder in card.folders:
        content = f"{folder.files:,} files, {size_in_words(folder.bytes)}"
        print(f"folder: {folder.name}  {content}  sha256 of the list {folder.sha256}")
        for archive in folder.sources:
            print(f"      {archive.address}{'  (address not tried)' if archive.unverified else ''}")
