"""Tags: names that people give to versions, and which version was promoted when.

One JSON file, replaced as a whole under the store's lock: two processes that tag at once lose
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from fedsight.errors import ModelError, UsageError
from fedsight.federated.versions import writing
from fedsight.federated.versions.names import Version, tag_name, version
from fedsight.federated.versions.store import ModelStore, unwritable

FILE = "tags.json"
#: The tag that `promote` moves and `rollback` moves back.
PRODUCTION = "production"
#: So many promotions are remembered; older versions may then be pruned.
MOST_PROMOTIONS = 20
MOST_BYTES = 16 * 2**20


class Tags(msgspec.Struct):
    """Versions by tag, and the promoted ones, the newest last."""

    tags: dict[str, str] = {}
    promoted: list[str] = []

    @property
    def production(self) -> str | None:
        """The version that is promoted now."""
        return self.promoted[-1] if self.promoted else None

    def named(self) -> dict[str, str]:
        """Versions by tag, `production` among them."""
        return self.tags if self.production is None else self.tags | {PRODUCTION: self.production}

    def of(self, name: str) -> list[str]:
        """The tags of the version called `name`, sorted."""
        return sorted(tag for tag, tagged in self.named().items() if tagged == name)

    def held(self) -> frozenset[str]:
        """Versions that must not be removed."""
        return frozenset([*self.tags.values(), *self.promoted])


class TagBook:
    """The tags of a store."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._path = store.folder / FILE

    def read(self) -> Tags:
        """The tags as they are. Raises ModelError where their file is damaged."""
        try:
            if self._path.stat().st_size > MOST_BYTES:
                raise ModelError(f"{self._path} is longer than {MOST_BYTES} bytes")
            found = msgspec.json.decode(self._path.read_bytes(), type=Tags)
        except FileNotFoundError:
            return Tags()
        except OSError as error:
            raise ModelError(f"cannot read {self._path}: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"{self._path} is damaged: {error}") from error
        strays = [name for name in found.held() if version(name) is None]
        if strays:
            raise ModelError(f"{self._path} is damaged: {strays[0][:80]!r} names no version")
        return found

    def tag(self, target: Version, name: str, *, move: bool = False) -> str | None:
        """Call `target` by `name` too; returns the version that lost the tag, if one did.

        Raises UsageError where another version has the tag and `move` is not set.
        """
        if tag_name(name) == PRODUCTION:
            raise UsageError(f"the tag {PRODUCTION!r} is moved by promote and rollback alone")
        with self._changed(target) as tags:
            before = tags.tags.get(name)
            if before not in (None, str(target)) and not move:
                raise UsageError(f"{name!r} is a tag of {before} already; --force moves it")
            tags.tags[name] = str(target)
        return before if before != str(target) else None

    def untag(self, name: str) -> str:
        """Take the tag away; returns the version that had it. The version itself stays.

        Without `production` there is no history of promotions either.
        """
        with self._changed() as tags:
            had = tags.named().get(name)
            if had is None:
                raise UsageError(f"no tag {name!r}; there are {_listed(tags)}")
            if name == PRODUCTION:
                tags.promoted.clear()
            else:
                del tags.tags[name]
        return had

    def promote(self, target: Version) -> str | None:
        """Make `target` the production version; returns the one before it."""
        with self._changed(target) as tags:
            before = tags.production
            if before != str(target):
                tags.promoted.append(str(target))
                del tags.promoted[:-MOST_PROMOTIONS]
        return before

    def rollback(self) -> tuple[str, str]:
        """Go back to the version promoted before; returns (the one left, the one now).

        Raises UsageError where none was, ModelError where it is damaged.
        """
        with self._changed() as tags:
            if len(tags.promoted) < 2:
                had = f"before {tags.production}" if tags.promoted else "yet"
                raise UsageError(f"nothing to go back to: no version was promoted {had}")
            left = tags.promoted.pop()
            self._require_whole(tags.promoted[-1])
            return left, tags.promoted[-1]

    def _require_whole(self, name: str) -> None:
        target = version(name)
        assert target is not None
        manifest = self._store.read(target)
        reason = "it is missing" if manifest is None else self._store.fault(manifest)
        if reason is not None:
            raise ModelError(f"model {name}, promoted before, is damaged: {reason}")

    @contextmanager
    def _changed(self, target: Version | None = None) -> Iterator[Tags]:
        """The tags, to be changed and written; `target` must still be there."""
        with self._store.locked():
            tags = self.read()
            if target is not None and self._store.read(target) is None:
                raise UsageError(f"no model {target} any more")
            yield tags
            try:
                writing.replace_file(self._path, msgspec.json.format(msgspec.json.encode(tags)))
            except OSError as error:
                raise unwritable(self._store.folder, error) from error


def _listed(tags: Tags) -> str:
    return ", ".join(sorted(tags.named())) or "none"
