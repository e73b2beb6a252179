(* Fractions that compute, and what they stand for.

   A fraction is an integer over a positive integer, both binary numbers of
   Coq's own, so that vm_compute adds and multiplies them fast.  `rational R x` is
   the number of an ordered field R that x stands for.  Sums of fractions with one
   denominator keep it; others are reduced. *)

From Coq Require Import BinPos BinInt Pnat.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.

Record fraction := Fraction { above : Z; below : positive }.

Definition same (x y : fraction) := Z.eqb (above x) (above y) && Pos.eqb (below x) (below y).

Lemma sameP : Equality.axiom same.
Proof.
case=> n d [m e]; apply: (iffP andP) => /= [[/Z.eqb_spec -> /Pos.eqb_spec ->] //|[-> ->]].
by split; [apply/Z.eqb_spec | apply/Pos.eqb_spec].
Qed.

Canonical fraction_eqType := EqType fraction (EqMixin sameP).

Declare Scope fraction_scope.
Delimit Scope fraction_scope with fraction.
Bind Scope fraction_scope with fraction.
Notation "n // d" := (Fraction n%Z d%positive) (at level 40, no associativity) : fraction_scope.

Definition whole (n : Z) := Fraction n 1.

(* in lowest terms *)
Definition reduce (x : fraction) :=
  let: (_, (n, d)) := Z.ggcd (above x) (Zpos (below x)) in Fraction n (Z.to_pos d).

Definition add (x y : fraction) :=
  if Pos.eqb (below x) (below y) then Fraction (Z.add (above x) (above y)) (below x)
  else reduce (Fraction (Z.add (Z.mul (above x) (Zpos (below y))) (Z.mul (above y) (Zpos (below x))))
                 (Pos.mul (below x) (below y))).

Definition mul (x y : fraction) :=
  Fraction (Z.mul (above x) (above y)) (Pos.mul (below x) (below y)).

Definition opp (x : fraction) := Fraction (Z.opp (above x)) (below x).

(* 1/x for positive x *)
Definition inverse (x : fraction) :=
  if above x is Zpos n then Fraction (Zpos (below x)) n else whole 0.

Definition equal (x y : fraction) :=
  Z.eqb (Z.mul (above x) (Zpos (below y))) (Z.mul (above y) (Zpos (below x))).

Definition nonnegative (x : fraction) := Z.leb 0 (above x).

Definition sum_of (xs : seq fraction) := foldr add (whole 0) xs.

Local Open Scope ring_scope.

Section Numbers.
Variable R : realFieldType.

Definition natural (n : positive) : R := (Pos.to_nat n)%:R.

Definition integer (z : Z) : R :=
  match z with Z0 => 0 | Zpos n => natural n | Zneg n => - natural n end.

Definition rational (x : fraction) : R := integer (above x) / natural (below x).

Lemma natural_gt0 n : 0 < natural n.
Proof. by rewrite ltr0n; apply/ssrnat.ltP; exact: Pos2Nat.is_pos. Qed.

Lemma natural_neq0 n : natural n != 0.
Proof. by rewrite gt_eqF // natural_gt0. Qed.

Lemma naturalD m n : natural (Pos.add m n) = natural m + natural n.
Proof. by rewrite /natural Pos2Nat.inj_add -natrD. Qed.

Lemma naturalM m n : natural (Pos.mul m n) = natural m * natural n.
Proof. by rewrite /natural Pos2Nat.inj_mul -natrM. Qed.

Lemma integer_sub m n : integer (Z.pos_sub m n) = natural m - natural n.
Proof.
rewrite Z.pos_sub_spec; case: Pos.compare_spec => [->|lt|lt] /=.
- by rewrite subrr.
- by rewrite -{2}(Pos.sub_add n m) // naturalD opprD addrCA subrr addr0.
- by rewrite -{2}(Pos.sub_add m n) // naturalD addrK.
Qed.

Lemma integerD x y : integer (Z.add x y) = integer x + integer y.
Proof.
case: x y => [|m|m] [|n|n] /=; rewrite ?addr0 ?add0r ?naturalD ?integer_sub //.
- by rewrite addrC.
- by rewrite opprD.
Qed.

Lemma integerN x : integer (Z.opp x) = - integer x.
Proof. by case: x => [|n|n] /=; rewrite ?oppr0 ?opprK. Qed.

Lemma integerM x y : integer (Z.mul x y) = integer x * integer y.
Proof.
by case: x y => [|m|m] [|n|n] /=; rewrite ?mul0r ?mulr0 ?naturalM ?mulrN ?mulNr ?opprK.
Qed.

Lemma rational_cross x y :
  (rational x == rational y) = (integer (above x) * natural (below y) == integer (above y) * natural (below x)).
Proof.
rewrite /rational (can2_eq (divfK (natural_neq0 _)) (mulfK (natural_neq0 _))).
by rewrite mulrAC -(can2_eq (mulfK (natural_neq0 _)) (divfK (natural_neq0 _))).
Qed.

Lemma integer_inj : injective integer.
Proof.
move=> x y /eqP; rewrite -subr_eq0 -integerN -integerD => e.
apply/Z.sub_move_0_r; rewrite -Z.add_opp_r; case: (Z.add _ _) e => [//|n|n] /=.
  by rewrite (negbTE (natural_neq0 n)).
by rewrite oppr_eq0 (negbTE (natural_neq0 n)).
Qed.

Lemma equalE x y : equal x y = (rational x == rational y).
Proof.
rewrite rational_cross -[natural (below y)]/(integer (Zpos _)) -[natural (below x)]/(integer (Zpos _)).
by rewrite -!integerM; apply/Z.eqb_spec/eqP => [->|/integer_inj].
Qed.

Lemma equalP x y : equal x y -> rational x = rational y.
Proof. by rewrite equalE => /eqP. Qed.

Lemma rational_reduce x : rational (reduce x) = rational x.
Proof.
rewrite /reduce; move: (Z.ggcd_correct_divisors (above x) (Zpos (below x))).
move: (Z.ggcd_gcd (above x) (Zpos (below x))).
case: (Z.ggcd _ _) => g [n d] /= eg [en ed].
have g0 : (0 <= g)%Z by rewrite eg; exact: Z.gcd_nonneg.
case: d ed => [|d|d] ed; [by move: ed; rewrite Z.mul_0_r| |]; last first.
  by case: g g0 ed {eg en}.
apply/eqP; rewrite rational_cross /= en integerM -[natural (below x)]/(integer (Zpos _)) ed integerM.
by rewrite mulrCA mulrA.
Qed.

Lemma rationalD x y : rational (add x y) = rational x + rational y.
Proof.
rewrite /add; case: Pos.eqb_spec => [e|_].
  by rewrite /rational /= integerD mulrDl e.
rewrite rational_reduce /rational /= integerD !integerM naturalM /= addf_div ?natural_neq0 //.
Qed.

Lemma rationalM x y : rational (mul x y) = rational x * rational y.
Proof. by rewrite /rational /= integerM naturalM mulf_div. Qed.

Lemma rationalN x : rational (opp x) = - rational x.
Proof. by rewrite /rational /= integerN mulNr. Qed.

Lemma rational0 : rational (whole 0) = 0.
Proof. by rewrite /rational mul0r. Qed.

Lemma rational1 : rational (whole 1) = 1.
Proof. by rewrite /rational divff // oner_neq0. Qed.

Lemma nonnegativeP x : nonnegative x -> 0 <= rational x.
Proof.
case: x => [[|n|n] d] //= _; rewrite /rational /=; first by rewrite mul0r.
by rewrite divr_ge0 // ltW // natural_gt0.
Qed.

Lemma nonnegativeE x : nonnegative x = (0 <= rational x).
Proof.
apply/idP/idP; first exact: nonnegativeP.
case: x => [[|n|n] d] //=; rewrite /rational /= mulNr oppr_ge0 leNgt divr_gt0 // natural_gt0 //.
Qed.

Lemma rational_inverse x : nonnegative x -> rational (inverse x) = (rational x)^-1.
Proof.
case: x => [[|n|n] d] //= _; first by rewrite rational0 /rational mul0r invr0.
by rewrite /rational /= invf_div.
Qed.

Lemma rational_sum xs : rational (sum_of xs) = \sum_(x <- xs) rational x.
Proof. by elim: xs => [|x xs IH]; rewrite ?big_nil ?rational0 // big_cons -IH -rationalD. Qed.

End Numbers.
