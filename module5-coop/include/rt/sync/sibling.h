// Sibling: the link by which a token hangs in the ring of its parent's children. The ring goes
// through its own head, which is a Sibling in the parent, so that one is taken out by joining its
// neighbours, whoever's ring it is in: nobody has to know its parent.
//
//   children of p <-> a <-> b <-> c <-> (children of p again)
//
// Thread safety: none. All rings of a tree have one mutex. Each link is a sync::Cell, so that the
// model checker sees an access without it.
//
// Invariant
//   A Sibling is in one ring, and if it is alone there, it is not linked. It is not moved.
//
// The idea is Tokio's util::linked_list.
#pragma once

#include "rt/platform/sync.h"

namespace rt {

class Sibling {
 public:
  Sibling() noexcept : links_(this) {}
  Sibling(const Sibling&) = delete;
  Sibling& operator=(const Sibling&) = delete;

  bool is_linked() const noexcept { return links_.read().next != this; }
  Sibling* next() const noexcept { return links_.read().next; }

  // Joins the ring of `other`, in front of it. REQUIRES: this one is not linked.
  void link_before(Sibling& other) noexcept { splice(*this, *this, other); }

  // Leaves its ring. Does nothing if it is not linked.
  void unlink() noexcept {
    const Links links = links_.read();
    links.previous->links_.write().next = links.next;
    links.next->links_.write().previous = links.previous;
    links_.write() = Links(this);
  }

  // Moves all others of its ring in front of `other`, in their order, and is not linked any more.
  // REQUIRES: `other` is in another ring.
  void move_others_before(Sibling& other) noexcept {
    if (!is_linked()) return;
    const Links others = links_.read();
    links_.write() = Links(this);
    splice(*others.next, *others.previous, other);
  }

 private:
  struct Links {
    explicit Links(Sibling* self) noexcept : previous(self), next(self) {}
    Sibling* previous;
    Sibling* next;
  };

  static void splice(Sibling& first, Sibling& last, Sibling& other) noexcept {
    Sibling* const previous = other.links_.read().previous;
    first.links_.write().previous = previous;
    last.links_.write().next = &other;
    previous->links_.write().next = &first;
    other.links_.write().previous = &last;
  }

  sync::Cell<Links> links_;
};

}  // namespace rt
