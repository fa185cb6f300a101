/*
 * Presence (docs/PROTOCOL.md, "Presence"), as libs/replica has it: one node that has tunnels, is killed and started again
 * (presence-announcer.ts), and one table that hears of it over the bus and over a link (presence-table.ts, presence-node.ts,
 * boot-history.ts). Names are those of the code.
 *
 *     node: boot, sequence, set ══ bus  ══► table: boot, sequence, set, awaiting, held
 *                               ══ link ══►
 *                               ◄─ ask ─── pages ─►
 *
 * What happens: CHANGES times a tunnel comes up or goes, BOOTS times the node is killed and starts anew without a goodbye,
 * LOSSES times an announcement is lost on one of the two ways; the ways deliver at any pace, so what was said by a former
 * boot may come long after. SILENCES times the table hears nothing for three seconds, and FORGED times somebody on the bus
 * says goodbye in the node's name.
 *
 * Invariants:
 *   EXACT     a table that stands at the node's own boot and sequence, and awaits nothing, has the node's own set: no
 *             "down" that came late hides a tunnel that is up, and no "up" invents one
 *   FORWARD   a boot that was replaced is never believed again
 *   KEPT      a silent node's tunnels stay in the table: they are tried last, and tried
 *   HEALED    when the trouble is over, the third beat finds the table right
 *
 * BROKEN_… makes the mistake of that name; each must be found.
 */
#ifndef CHANGES
#define CHANGES 3
#endif
#ifndef BOOTS
#define BOOTS 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef BEATS
#define BEATS 1
#endif
#ifndef SILENCES
#define SILENCES 1
#endif
#ifndef FORGED
#define FORGED 0
#endif

#define BUS 0
#define LINK 1

#define TUNNELS 2
#define BIT(t) (1 << (t))
#define ROOM 7
#define HELD 5

mtype = { UP, DOWN, BEAT, GOODBYE };

/* Kind, boot, sequence, and the tunnel, or the set that the digest of a beat stands for. */
chan way[2] = [ROOM] of { mtype, byte, byte, byte };

/* The node. */
byte boot = 1, sequence = 0, set = 0;
/* What has happened. */
byte changes = 0, boots = 0, losses = 0, silences = 0, forged = 0, beats = 0, lastBeats = 0;

/* The table: PresenceNode of the boot that is believed (0: none), and BootHistory as bits. */
byte known = 0, over = 0;
byte at = 0, has = 0, beatAt = 0;
bool awaiting = false, quiet = false;
/* Announcements above the set that is awaited, by sequence; 0 where there is none. */
mtype heldKind[HELD];
byte heldTunnel[HELD];
/* The question for the set, and what its pages have said so far. */
bool asking = false;
byte askedBoot = 0, askedAt = 0, pages = 0, page = 0;

/* A node beside this one that can relay; whether it is there when a caller comes. */
bool other = false;

#define IS_OVER(b) ((over & BIT(b)) != 0)

inline clearHeld() {
  step = 0;
  do
  :: step < HELD -> heldKind[step] = 0; heldTunnel[step] = 0; step++
  :: else -> break
  od;
  step = 0
}

inline forget() {
  known = 0; at = 0; has = 0; beatAt = 0; awaiting = false; quiet = false;
  clearHeld()
}

inline replace(newBoot) {
#ifndef BROKEN_BOOT
  over = (known != 0 -> over | BIT(known) : over);
#endif
  forget();
  assert(newBoot >= believed); /* FORWARD */
  believed = newBoot;
  known = newBoot
}

/* PresenceTable.#ask: one question at a time. */
inline ask() {
  if
  :: !asking -> asking = true; pages = 0; page = 0
  :: else
  fi
}

/* PresenceNode.#await: who notices first has the set asked for. */
inline await() {
  if
  :: !awaiting -> awaiting = true; ask()
  :: else
  fi
}

inline apply(what, whose) {
  if
  :: what == UP -> has = has | BIT(whose)
  :: what == DOWN -> has = has & (3 - BIT(whose))
  fi
}

/* PresenceNode.handleTunnel */
inline handleTunnel(what, number, whose) {
  if
  :: number <= at
#ifdef BROKEN_GAP
  :: number > at -> apply(what, whose); at = number
#else
  :: number > at && !awaiting && number == at + 1 -> apply(what, whose); at = number
  :: number > at && (awaiting || number != at + 1) ->
    heldKind[number] = what;
    heldTunnel[number] = whose;
    await()
#endif
  fi
}

/* PresenceNode.handleBeat */
inline handleBeat(number, digest) {
  if
  :: number < beatAt
  :: else ->
    beatAt = number;
#ifndef BROKEN_DEAF
    if
    :: number < at || (number == at && digest == has)
    :: else -> await()
    fi
#endif
  fi
}

/* PresenceTable.#handleGoodbye */
inline leave(ofBoot) {
  over = over | BIT(ofBoot);
  if
  :: known == ofBoot -> forget()
  :: else
  fi
}

/* PresenceTable.#hearTunnel, #hearBeat and #hearGoodbye by the bus, handleTunnel and handleBeat by a link, and #find. Who goes
   answers no more before it says so, so what the node says to #hearGoodbye is whether it has the name now. */
inline handle(w, what, ofBoot, number, value) {
  if
  :: what == GOODBYE ->
    if
#ifndef BROKEN_TRUST
    :: w == BUS && (known != ofBoot || boot == ofBoot)
    :: else -> leave(ofBoot)
#else
    :: leave(ofBoot)
#endif
    fi
  :: what != GOODBYE && known != ofBoot && IS_OVER(ofBoot)
  :: what != GOODBYE && known != ofBoot && !IS_OVER(ofBoot) && (known != 0 || w == BUS) ->
#ifdef BROKEN_BOOT
    replace(ofBoot)
#else
    ask()
#endif
  :: what != GOODBYE && (known == ofBoot || (!IS_OVER(ofBoot) && known == 0 && w == LINK)) ->
    if
    :: known == 0 -> replace(ofBoot)
    :: else
    fi;
    quiet = false;
    if
    :: what == BEAT -> handleBeat(number, value)
    :: else -> handleTunnel(what, number, value)
    fi
  fi
}

/* PresenceNode.abandonSnapshot: the next beat leads to another question. */
inline abandon() {
  asking = false;
  awaiting = false;
  clearHeld()
}

/* PresenceTable.#handleSnapshot, PresenceNode.handleSnapshot */
inline handleSnapshot() {
  asking = false;
  if
  :: IS_OVER(askedBoot) -> abandon()
  :: else ->
    if
    :: known != askedBoot -> replace(askedBoot)
    :: else
    fi;
    quiet = false;
    if
    :: askedAt > at || (askedAt == at && awaiting) -> has = pages; at = askedAt
    :: else
    fi;
    awaiting = false;
    step = 1;
    do
    :: step < HELD && heldKind[step] == 0 -> step++
    :: step < HELD && heldKind[step] != 0 ->
      if
      :: step > at + 1 -> await(); break
      :: else ->
        if
        :: step == at + 1 -> apply(heldKind[step], heldTunnel[step]); at = step
        :: else
        fi;
        heldKind[step] = 0; heldTunnel[step] = 0;
        step++
      fi
    :: step >= HELD -> break
    od;
    step = 0
  fi;
  askedBoot = 0; askedAt = 0; pages = 0; page = 0
}

/* What says nothing new, now or ever: it only waits to be passed over. */
#define IS_LATE(k, ofBoot, number, value) \
  (IS_OVER(ofBoot) || \
   (ofBoot == known && (k == UP || k == DOWN) && number <= at) || \
   (ofBoot == known && k == BEAT && (number < at || (number == at && value == has))))

/* Takes what is late out of a way at once, whenever it would have come: fewer states, and no other outcome. */
inline sweep(w) {
  do
  :: len(way[w]) == 0 -> break
  :: len(way[w]) > 0 ->
    way[w]?<kind, b, n, v>;
    if
    :: IS_LATE(kind, b, n, v) -> way[w]?_, _, _, _
    :: else -> break
    fi
  od;
  kind = 0; b = 0; n = 0; v = 0
}

inline check() {
  sweep(BUS);
  sweep(LINK);
  /* EXACT */
  assert(!(known == boot && at == sequence && !awaiting) || has == set)
}

proctype Table() {
  mtype kind = 0;
  byte b = 0, n = 0, v = 0, step = 0, believed = 0, chosen = 0;
end:
  do
  :: atomic { way[BUS]?kind, b, n, v -> handle(BUS, kind, b, n, v); kind = 0; b = 0; n = 0; v = 0; check() }
  :: atomic { way[LINK]?kind, b, n, v -> handle(LINK, kind, b, n, v); kind = 0; b = 0; n = 0; v = 0; check() }
  /* A page: read by whoever has the name now. Another boot half-way: the set is given up. */
  :: atomic {
      asking && page == 0 -> askedBoot = boot; askedAt = sequence; pages = set & BIT(0); page = 1
    }
  :: atomic {
      asking && page == 1 ->
      if
      :: askedBoot == boot -> pages = pages | (set & BIT(1)); handleSnapshot()
      :: else -> abandon(); askedBoot = 0; askedAt = 0; pages = 0; page = 0
      fi;
      check()
    }
  :: atomic {
      asking && losses < LOSSES && lastBeats == 0 ->
      losses++; abandon(); askedBoot = 0; askedAt = 0; pages = 0; page = 0
    }
  /* Three seconds without a word. */
  :: atomic { known != 0 && !quiet && silences < SILENCES && lastBeats == 0 -> silences++; quiet = true }
  /* A caller: the ways in the order of Relays.upstreams. */
  :: atomic {
      quiet && chosen == 0 ->
      if
      :: other = true
      :: other = false
      fi;
      if
      :: has != 0 && !quiet -> chosen = 1
      :: (has == 0 || quiet) && other -> chosen = 2
#ifndef BROKEN_FORGET
      :: has != 0 && quiet && !other -> chosen = 1
#endif
      :: else
      fi;
      assert(chosen != 0 || (has == 0 && !other)); /* KEPT: tried, ... */
      assert(!(chosen == 1 && quiet && other)); /* ... and tried last */
      chosen = 0; other = false
    }
  od
}

/* What is announced goes both ways, and may be lost on one. */
inline announce(what, value) {
  way[BUS]!what, boot, sequence, value;
  way[LINK]!what, boot, sequence, value
}

#define FITS (len(way[BUS]) < ROOM && len(way[LINK]) < ROOM)

proctype Node() {
  byte t = 0;
end:
  do
  :: atomic {
      changes < CHANGES && lastBeats == 0 && FITS ->
      changes++;
      if
      :: t = 0
      :: t = 1
      fi;
      sequence++;
      if
      :: (set & BIT(t)) == 0 -> set = set | BIT(t); announce(UP, t)
      :: (set & BIT(t)) != 0 -> set = set & (3 - BIT(t)); announce(DOWN, t)
      fi;
      t = 0
    }
  :: atomic { beats < BEATS && lastBeats == 0 && FITS -> beats++; announce(BEAT, set) }
  :: atomic {
      boots < BOOTS && lastBeats == 0 && FITS ->
      boots++;
      if
      :: announce(GOODBYE, 0)
      :: skip
      fi;
      boot++; sequence = 0; set = 0
    }
  /* The trouble is over: beats come a second apart, and nothing else. */
  :: atomic { timeout && lastBeats < 3 && FITS -> lastBeats++; announce(BEAT, set) }
  :: atomic {
      timeout && lastBeats == 3 ->
      assert(known == boot && at == sequence && has == set); /* HEALED */
      break
    }
  od
}

proctype Loss() {
end:
  do
  :: atomic { losses < LOSSES && lastBeats == 0 && len(way[BUS]) > 0 -> losses++; way[BUS]?_, _, _, _ }
  :: atomic { losses < LOSSES && lastBeats == 0 && len(way[LINK]) > 0 -> losses++; way[LINK]?_, _, _, _ }
  :: atomic {
      forged < FORGED && lastBeats == 0 && len(way[BUS]) < ROOM -> forged++; way[BUS]!GOODBYE, boot, sequence, 0
    }
  od
}

init {
  atomic { run Table(); run Node(); run Loss() }
}
