(* The linear programs of multi-draft speculative sampling.

   A finite set T of tokens, a target law p on T, k drafts x = (x_1, ..., x_k)
   with joint law Q.

   Full program (optimal transport with membership cost):
       max  sum_x sum_(y in x) C(x,y)
       s.t. sum_y C(x,y) = Q(x),   sum_x C(x,y) = p(y),   C >= 0.
   Compact program: S(x,i) is the mass with which the tuple x is drafted and
   its i-th draft is output;
       max  sum_(x,i) S(x,i)
       s.t. sum_i S(x,i) <= Q(x),   sum_((x,i) : x_i = y) S(x,i) <= p(y),
            S >= 0.

   Proved here, for every size:
   - the two programs reach the same values (compact_to_full, full_to_compact);
   - a token gets at most min (p y, Pr[y is drafted])   (value_le_reach);
   - weak duality against a token set H: 1 + p(H) - Q(H)   (value_le_cut);
   - for the target that sits on one token z the optimum is Pr[z is drafted]
     (onehot_optimum);
   - a lossless verification rule is a feasible point whose value is its
     acceptance   (lossless_feasible);
   - and conversely (feasible_lossless): alpha* is the best acceptance of a
     lossless rule;
   - accept in any feasible way, then draw from what p still lacks: lossless
     (residual_verdict, residual_lossless).

   All numbers live in an arbitrary ordered field R (the rationals, the
   reals, ...); no axiom is used. *)

From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* a tuple of k drafts; x i is the i-th draft *)
Notation drafts k T := {ffun 'I_k -> T}.

Section Laws.
Variables (R : realFieldType) (X : finType).
Implicit Types p : X -> R.

Definition law p := (forall y, 0 <= p y) /\ \sum_y p y = 1.

(* p(A) *)
Definition mass p (A : {set X}) := \sum_(y in A) p y.

(* the law that sits on z alone *)
Definition onehot (z : X) : X -> R := fun y => (y == z)%:R.

(* u_+ *)
Definition pos (u : R) := Num.max u 0.

Lemma pos_ge0 u : 0 <= pos u.
Proof. by rewrite le_maxr lexx orbT. Qed.

Lemma pos_min (u v : R) : pos (u - v) = u - Num.min u v.
Proof.
rewrite /pos; case: (leP u v) => h.
  by rewrite subrr; apply/max_idPr; rewrite subr_le0.
by apply/max_idPl; rewrite subr_ge0 ltW.
Qed.

Lemma onehot_law z : law (onehot z).
Proof.
split=> [y|]; first exact: ler0n.
rewrite (bigD1 z) //= /onehot eqxx big1 ?addr0 // => y /negbTE ->.
by [].
Qed.

Lemma law_le1 p y : law p -> p y <= 1.
Proof.
by case=> p0 <-; rewrite (bigD1 y) //= ler_addl sumr_ge0.
Qed.

Lemma sum_le_law p (P : pred X) : law p -> \sum_(y | P y) p y <= 1.
Proof.
by case=> p0 <-; rewrite [X in _ <= X](bigID P) /= ler_addl sumr_ge0.
Qed.

(* nonnegative numbers with sum 0 are all 0 *)
Lemma sum_eq0 p : (forall y, 0 <= p y) -> \sum_y p y = 0 -> forall y, p y = 0.
Proof.
move=> p0 e y; apply/eqP; rewrite eq_le p0 andbT -e.
by rewrite (bigD1 y) //= ler_addl sumr_ge0.
Qed.

Lemma sum_compl p (P : pred X) : \sum_y p y = 1 ->
  \sum_(y | ~~ P y) p y = 1 - \sum_(y | P y) p y.
Proof. by move=> e; rewrite -e [in RHS](bigID P) /= addrC addKr. Qed.

End Laws.

Section Program.
Variables (R : realFieldType) (T : finType) (k : nat).
Implicit Types (Q : drafts k T -> R) (p : T -> R).
Implicit Types (S : drafts k T -> 'I_k -> R) (C : drafts k T -> T -> R).

(* ---- the compact program ---- *)

Record feasible Q p S : Prop := Feasible {
  feas_ge0 : forall x i, 0 <= S x i;
  feas_tuple : forall x, \sum_i S x i <= Q x;
  feas_token : forall y, \sum_(x : drafts k T) \sum_(i | x i == y) S x i <= p y }.

Definition value S := \sum_x \sum_i S x i.

(* v is the optimum alpha*(p, Q), and it is attained *)
Definition is_optimum Q p (v : R) :=
  (exists2 S, feasible Q p S & value S = v) /\
  (forall S, feasible Q p S -> value S <= v).

(* alpha*(p, Q) >= alpha*(p, Q'), said without speaking of suprema: some
   feasible point of the program of Q is at least as good as every feasible
   point of the program of Q' *)
Definition dominates Q Q' p :=
  exists2 S, feasible Q p S & forall S', feasible Q' p S' -> value S' <= value S.

(* ---- the full program ---- *)

Record coupling Q p C : Prop := Coupling {
  coup_ge0 : forall x y, 0 <= C x y;
  coup_tuple : forall x, \sum_y C x y = Q x;
  coup_token : forall y, \sum_x C x y = p y }.

Definition drafted (x : drafts k T) (y : T) := [exists i, x i == y].

Definition membership C := \sum_x \sum_(y | drafted x y) C x y.

(* ---- sums ---- *)

(* Pr[y is among the drafts] *)
Definition reach Q y := \sum_(x | drafted x y) Q x.

(* Q(H) = Pr[every draft is in H] *)
Definition inside Q (H : {set T}) := \sum_(x : drafts k T | [forall i, x i \in H]) Q x.

Lemma sum_by_token S (x : drafts k T) : \sum_i S x i = \sum_y \sum_(i | x i == y) S x i.
Proof.
rewrite (partition_big (fun i => x i) xpredT) //=.
Qed.

Lemma value_by_token S : value S = \sum_y \sum_(x : drafts k T) \sum_(i | x i == y) S x i.
Proof. by rewrite exchange_big; apply: eq_bigr => x _; rewrite sum_by_token. Qed.

Lemma feas_reach Q p S y : feasible Q p S ->
  \sum_(x : drafts k T) \sum_(i | x i == y) S x i <= reach Q y.
Proof.
case=> S0 S1 _; rewrite /reach [X in _ <= X]big_mkcond /=.
apply: ler_sum => x _; case: ifPn => [_|].
  apply: le_trans (S1 x); rewrite [X in _ <= X](bigID (fun i => x i == y)) /=.
  by rewrite ler_addl sumr_ge0.
by rewrite negb_exists => /forallP h; rewrite big1 // => i; rewrite (negbTE (h i)).
Qed.

(* each token gets at most min (p y, Pr[y is drafted]) *)
Theorem value_le_reach Q p S : feasible Q p S ->
  value S <= \sum_y Num.min (p y) (reach Q y).
Proof.
move=> fS; rewrite value_by_token; apply: ler_sum => y _.
by rewrite le_minr (feas_token fS) (feas_reach y fS).
Qed.

(* weak duality: a token set H bounds every feasible point *)
Theorem value_le_cut Q p S (H : {set T}) : \sum_x Q x = 1 -> feasible Q p S ->
  value S <= 1 + mass p H - inside Q H.
Proof.
move=> Q1 fS; have [S0 S1 S2] := fS.
have out : \sum_(y in ~: H) \sum_(x : drafts k T) \sum_(i | x i == y) S x i
    <= 1 - inside Q H.
  rewrite /inside -sum_compl // exchange_big /= [X in _ <= X]big_mkcond /=.
  apply: ler_sum => x _; case: ifPn => [_|].
    apply: le_trans (S1 x); rewrite sum_by_token.
    rewrite [X in _ <= X](bigID (mem (~: H))) /= ler_addl.
    by apply: sumr_ge0 => y _; exact: sumr_ge0.
  rewrite negbK => /forallP xH; rewrite big1 // => y; rewrite inE => yH.
  by rewrite big1 // => i /eqP xi; move: yH; rewrite -xi xH.
have ins : \sum_(y in H) \sum_(x : drafts k T) \sum_(i | x i == y) S x i <= mass p H.
  by apply: ler_sum => y _; exact: S2.
rewrite value_by_token (bigID (mem H)) /=.
rewrite (eq_bigl (mem (~: H)) _ (fun y => esym (in_setC y H))).
rewrite -addrA (addrC 1) -addrA; apply: ler_add => //.
by rewrite [X in _ <= X]addrC.
Qed.

(* the first draft of x that is y *)
Definition first_at (x : drafts k T) (y : T) (i : 'I_k) :=
  [pick j | x j == y] == Some i.

Lemma sum_first (x : drafts k T) y (u : R) :
  \sum_i u * (first_at x y i)%:R = if drafted x y then u else 0.
Proof.
rewrite /first_at /drafted; case: pickP => [j xj|no].
  rewrite ifT; last by apply/existsP; exists j.
  rewrite (bigD1 j) //= eqxx mulr1 big1 ?addr0 // => i ij.
  by rewrite eqE /= eq_sym (negbTE ij) mulr0.
rewrite ifF; last by apply/negbTE; rewrite negb_exists; apply/forallP=> i; rewrite no.
by rewrite big1 // => i _; rewrite mulr0.
Qed.

Lemma first_atP (x : drafts k T) y i : first_at x y i -> x i = y.
Proof. by rewrite /first_at; case: pickP => // j /eqP <- /eqP [->]. Qed.

(* give z whenever it is drafted: optimal for the target that sits on z *)
Theorem onehot_feasible Q (z : T) : law Q ->
  exists2 S, feasible Q (onehot R z) S & value S = reach Q z.
Proof.
move=> lQ; have [Q0 Q1] := lQ.
exists (fun x i => Q x * (first_at x z i)%:R); last first.
  by rewrite /value /reach [RHS]big_mkcond; apply: eq_bigr => x _; rewrite sum_first.
split.
- by move=> x i; rewrite mulr_ge0 ?ler0n.
- by move=> x; rewrite sum_first; case: ifP.
- move=> y; rewrite /onehot; case: eqP => [->|/eqP yz].
    apply: le_trans (sum_le_law predT lQ) => /=; apply: ler_sum => x _.
    apply: (@le_trans _ _ (\sum_i Q x * (first_at x z i)%:R)).
      rewrite [X in _ <= X](bigID (fun i => x i == z)) /= ler_addl.
      by apply: sumr_ge0 => i _; rewrite mulr_ge0 ?ler0n.
    by rewrite sum_first; case: ifP.
  rewrite big1 // => x _; rewrite big1 // => i /eqP xi.
  case E: (first_at x z i); last by rewrite mulr0.
  by move: yz; rewrite -xi (first_atP E) eqxx.
Qed.

Lemma onehot_upper Q z S : law Q -> feasible Q (onehot R z) S -> value S <= reach Q z.
Proof.
move=> [Q0 _] fS; apply: le_trans (value_le_reach fS) _.
rewrite (bigD1 z) //= big1 ?addr0 => [|y yz]; first by rewrite le_minl lexx orbT.
rewrite /onehot (negbTE yz); apply/min_idPl; exact: sumr_ge0.
Qed.

(* so alpha* of the target that sits on z is Pr[z is drafted] *)
Theorem onehot_optimum Q z : law Q -> is_optimum Q (onehot R z) (reach Q z).
Proof. by move=> lQ; split; [exact: onehot_feasible|move=> S; exact: onehot_upper]. Qed.

(* drafts that dominate for every target offer every token at least as often *)
Corollary dominates_reach Q Q' : law Q -> law Q' ->
  (forall p, law p -> dominates Q Q' p) -> forall z, reach Q' z <= reach Q z.
Proof.
move=> lQ lQ' d z; have [S fS hS] := d _ (onehot_law R z).
have [S' fS' <-] := onehot_feasible z lQ'.
exact: le_trans (hS _ fS') (onehot_upper lQ fS).
Qed.

(* an attained optimum that no feasible point of Q' exceeds *)
Lemma optimum_dominates Q Q' p v : is_optimum Q p v ->
  (forall S', feasible Q' p S' -> value S' <= v) -> dominates Q Q' p.
Proof. by case=> [[S fS <-] _] h; exists S. Qed.

(* ---- the two programs are one ---- *)

Theorem full_to_compact Q p C : coupling Q p C ->
  exists2 S, feasible Q p S & value S = membership C.
Proof.
case=> C0 C1 C2.
pose S (x : drafts k T) i : R := C x (x i) * (first_at x (x i) i)%:R.
have Sy (x : drafts k T) y : \sum_(i | x i == y) S x i = if drafted x y then C x y else 0.
  rewrite -sum_first big_mkcond; apply: eq_bigr => i _ /=.
  case: eqP => [<- //|ne]; case E: (first_at x y i); last by rewrite mulr0.
  by case: ne; exact: first_atP E.
exists S; last first.
  rewrite /value /membership; apply: eq_bigr => x _.
  by rewrite sum_by_token [RHS]big_mkcond; apply: eq_bigr => y _; rewrite Sy.
split.
- by move=> x i; rewrite mulr_ge0 ?ler0n.
- move=> x; rewrite sum_by_token -C1; apply: ler_sum => y _; rewrite Sy.
  by case: ifP.
- move=> y; rewrite -C2; apply: ler_sum => x _; rewrite Sy.
  by case: ifP.
Qed.

Theorem compact_to_full Q p S : law Q -> law p -> feasible Q p S ->
  exists2 C, coupling Q p C & value S <= membership C.
Proof.
move=> [Q0 Q1] [p0 p1] fS; have [S0 S1 S2] := fS.
pose st x := \sum_i S x i.
pose sy y := \sum_(x : drafts k T) \sum_(i | x i == y) S x i.
pose L := 1 - value S.
have sumQ : \sum_x (Q x - st x) = L by rewrite sumrB Q1.
have sump : \sum_y (p y - sy y) = L by rewrite sumrB p1 -value_by_token.
have gx x : 0 <= Q x - st x by rewrite subr_ge0; exact: S1.
have gy y : 0 <= p y - sy y by rewrite subr_ge0; exact: S2.
have L0 : 0 <= L by rewrite -sumQ sumr_ge0.
have kx x : (Q x - st x) * (L / L) = Q x - st x.
  have [e|ne] := eqVneq L 0; last by rewrite divff // mulr1.
  by rewrite (sum_eq0 gx (etrans sumQ e) x) mul0r.
have ky y : (p y - sy y) * (L / L) = p y - sy y.
  have [e|ne] := eqVneq L 0; last by rewrite divff // mulr1.
  by rewrite (sum_eq0 gy (etrans sump e) y) mul0r.
pose C (x : drafts k T) y := \sum_(i | x i == y) S x i + (p y - sy y) * (Q x - st x) / L.
have Cle (x : drafts k T) y : \sum_(i | x i == y) S x i <= C x y.
  by rewrite ler_addl !mulr_ge0 // invr_ge0.
exists C; last first.
  rewrite /value /membership; apply: ler_sum => x _.
  rewrite sum_by_token [X in _ <= X]big_mkcond; apply: ler_sum => y _.
  case: ifPn => [_ //|]; rewrite negb_exists => /forallP h.
  by rewrite big1 // => i; rewrite (negbTE (h i)).
split.
- by move=> x y; apply: le_trans (Cle x y); exact: sumr_ge0.
- move=> x; rewrite /C big_split /= -sum_by_token -!mulr_suml sump.
  by rewrite [L * _]mulrC -mulrA kx /st addrC subrK.
- move=> y; rewrite /C big_split /= -mulr_suml -mulr_sumr sumQ -mulrA ky /sy.
  by rewrite addrC subrK.
Qed.

(* ---- verification rules ---- *)

(* acc x j: probability to output draft j as an accepted draft, given x;
   res x y: probability to output y after rejecting all drafts, given x *)
Definition verdict (acc : drafts k T -> 'I_k -> R) (res : drafts k T -> T -> R) :=
  forall x, [/\ forall j, 0 <= acc x j, forall y, 0 <= res x y
              & \sum_j acc x j + \sum_y res x y = 1].

(* the law of the token that comes out *)
Definition output Q acc res y : R :=
  \sum_(x : drafts k T) Q x * (\sum_(j | x j == y) acc x j + res x y).

Definition lossless Q p acc res := forall y, output Q acc res y = p y.

Definition acceptance Q (acc : drafts k T -> 'I_k -> R) :=
  \sum_x \sum_j Q x * acc x j.

(* a lossless rule is a feasible point; its value is its acceptance *)
Theorem lossless_feasible Q p acc res : law Q -> verdict acc res ->
  lossless Q p acc res -> feasible Q p (fun x j => Q x * acc x j).
Proof.
move=> [Q0 _] v l; split.
- by move=> x j; case: (v x) => a0 _ _; rewrite mulr_ge0.
- move=> x; case: (v x) => _ r0 e; rewrite -mulr_sumr ler_pimulr // -e.
  by rewrite ler_addl sumr_ge0.
- move=> y; rewrite -(l y); apply: ler_sum => x _.
  by rewrite -mulr_sumr ler_wpmul2l // ler_addl; case: (v x).
Qed.

(* so no lossless rule beats the optimum of its own drafts *)
Corollary acceptance_le_optimum Q p acc res v : law Q -> verdict acc res ->
  lossless Q p acc res -> is_optimum Q p v -> acceptance Q acc <= v.
Proof. by move=> lQ va la [_]; apply; exact: lossless_feasible lQ va la. Qed.

(* The residual: what p still lacks once the accepted drafts are counted,
   normalised by its mass (or p itself, where nothing is lacking and so the
   residual is never drawn). *)
Definition got Q acc y : R := \sum_(x : drafts k T) Q x * \sum_(j | x j == y) acc x j.
Definition lack Q p acc y : R := p y - got Q acc y.

Definition normalised (w p : T -> R) y :=
  if \sum_z w z == 0 then p y else w y / \sum_z w z.

Definition residual Q p acc x y :=
  (1 - \sum_j acc x j) * normalised (lack Q p acc) p y.

Lemma normalised_law (w p : T -> R) : (forall y, 0 <= w y) -> law p ->
  law (normalised w p).
Proof.
move=> w0 [p0 p1]; rewrite /normalised; case: eqP => [//|/eqP ne]; split.
  by move=> y; rewrite divr_ge0 // sumr_ge0.
by rewrite -mulr_suml divff.
Qed.

Lemma acceptance_by_token Q acc : acceptance Q acc = \sum_y got Q acc y.
Proof.
rewrite exchange_big; apply: eq_bigr => x _.
by rewrite -mulr_sumr -mulr_sumr sum_by_token.
Qed.

Lemma residual_verdict Q p acc : law p -> (forall x j, 0 <= acc x j) ->
  (forall x, \sum_j acc x j <= 1) -> (forall y, got Q acc y <= p y) ->
  verdict acc (residual Q p acc).
Proof.
move=> lp a0 a1 g x.
have [n0 n1] : law (normalised (lack Q p acc) p).
  by apply: normalised_law => // y; rewrite subr_ge0.
split=> [j|y|]; first exact: a0.
  by rewrite mulr_ge0 // subr_ge0.
by rewrite /residual -mulr_sumr n1 mulr1 addrC subrK.
Qed.

Theorem residual_lossless Q p acc : law Q -> law p ->
  (forall y, got Q acc y <= p y) -> lossless Q p acc (residual Q p acc).
Proof.
move=> [_ Q1] [p0 p1] g y.
pose L := \sum_z lack Q p acc z.
have eL : \sum_x Q x * (1 - \sum_j acc x j) = L.
  rewrite /L sumrB p1 -acceptance_by_token -[X in X - _]Q1 -sumrB.
  by apply: eq_bigr => x _; rewrite mulrBr mulr1 mulr_sumr.
have nL : L * normalised (lack Q p acc) p y = lack Q p acc y.
  rewrite /normalised -/L; case: eqP => [e|/eqP ne]; last by rewrite mulrC divfK.
  have l0 z : 0 <= lack Q p acc z by rewrite subr_ge0.
  by rewrite e mul0r (sum_eq0 l0 e y).
rewrite /output (eq_bigr (fun x : drafts k T => Q x * (\sum_(j | x j == y) acc x j)
    + Q x * (1 - \sum_j acc x j) * normalised (lack Q p acc) p y)); last first.
  by move=> x _; rewrite mulrDr mulrA.
by rewrite big_split /= -mulr_suml eL nL /lack -/(got Q acc y) addrC subrK.
Qed.

(* Conversely every feasible point is the accepted part of a lossless rule:
   alpha*(p,Q) is the best acceptance that a lossless rule can have. *)
Theorem feasible_lossless Q p S : law Q -> law p -> feasible Q p S ->
  exists acc res, [/\ verdict acc res, lossless Q p acc res & acceptance Q acc = value S].
Proof.
move=> lQ lp fS; have [S0 S1 S2] := fS; have [Q0 _] := lQ.
pose acc (x : drafts k T) j := S x j / Q x.
have Qacc x j : Q x * acc x j = S x j.
  rewrite /acc; have [e|ne] := eqVneq (Q x) 0; last by rewrite mulrC divfK.
  rewrite e mul0r; apply/esym/(sum_eq0 (S0 x)); apply/eqP; rewrite eq_le.
  by have := S1 x; rewrite e => ->; rewrite sumr_ge0.
have g y : got Q acc y <= p y.
  apply: le_trans (S2 y); apply: ler_sum => x _; rewrite mulr_sumr.
  by apply: ler_sum => j _; rewrite Qacc.
have a0 x j : 0 <= acc x j by rewrite divr_ge0.
have a1 x : \sum_j acc x j <= 1.
  rewrite -mulr_suml; have [e|ne] := eqVneq (Q x) 0.
    by rewrite e invr0 mulr0 ler01.
  by rewrite ler_pdivr_mulr ?mul1r ?S1 // lt_neqAle eq_sym ne Q0.
exists acc, (residual Q p acc); split.
- exact: residual_verdict.
- exact: residual_lossless.
- by apply: eq_bigr => x _; apply: eq_bigr => j _.
Qed.

End Program.

Print Assumptions value_le_reach.
Print Assumptions value_le_cut.
Print Assumptions onehot_optimum.
Print Assumptions full_to_compact.
Print Assumptions compact_to_full.
Print Assumptions residual_lossless.
Print Assumptions feasible_lossless.
Print Assumptions acceptance_le_optimum.
