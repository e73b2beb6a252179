(* K-SEQ is lossless with k iid drafts, any k.

   taken y = min(p(y) / rho, q(y)), beta = sum taken: each draft in turn is accepted with
   probability taken / q, so all drafts are rejected with probability (1 - beta)^k, and y
   comes out as an accepted draft with probability
       taken(y) (1 + (1 - beta) + ... + (1 - beta)^(k-1))        (kseq_got).
   That is at most p(y) where 1 - (1 - beta)^k <= rho beta; then the residual makes the
   output p (kseq_lossless), and the rule accepts 1 - (1 - beta)^k (kseq_acceptance).
   rho = k always satisfies the condition (kseq_at_k). *)

From Dominance Require Import Program Drafts Naive.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section KSeq.
Variables (R : realFieldType) (T : finType) (k : nat) (p q : T -> R) (rho : R).
Hypotheses (lp : law p) (lq : law q) (rho0 : 0 < rho).
Notation Q := (@iid R T k q).
Implicit Types (x : drafts k T) (y : T).

Definition taken y := Num.min (p y / rho) (q y).
Definition beta := \sum_y taken y.

(* the probability to accept y when it is its turn *)
Definition passes y := taken y / q y.

Definition kseq x (j : 'I_k) : R := \prod_(i < k | (i < j)%N) (1 - passes (x i)) * passes (x j).

Lemma taken_ge0 y : 0 <= taken y.
Proof. by have [p0 _] := lp; have [q0 _] := lq; rewrite le_minr divr_ge0 ?q0 // ltW. Qed.

Lemma taken_le y : taken y <= q y.
Proof. by rewrite le_minl lexx orbT. Qed.

Lemma passesE y : q y * passes y = taken y.
Proof.
have [q0 _] := lq; rewrite /passes mulrC; have [e|ne] := eqVneq (q y) 0; last by rewrite divfK.
by rewrite e mulr0; apply: le_anti; rewrite taken_ge0 -e taken_le.
Qed.

Lemma passes_ge0 y : 0 <= passes y.
Proof. by have [q0 _] := lq; rewrite divr_ge0 ?taken_ge0. Qed.

Lemma passes_le1 y : passes y <= 1.
Proof.
have [q0 _] := lq; rewrite /passes; have [->|ne] := eqVneq (q y) 0; first by rewrite invr0 mulr0 ler01.
by rewrite ler_pdivr_mulr ?mul1r ?taken_le // lt_neqAle eq_sym ne q0.
Qed.

Lemma beta_ge0 : 0 <= beta.
Proof. by apply: sumr_ge0 => y _; exact: taken_ge0. Qed.

Lemma beta_le1 : beta <= 1.
Proof. by have [_ <-] := lq; apply: ler_sum => y _; exact: taken_le. Qed.

Lemma rejected : \sum_y q y * (1 - passes y) = 1 - beta.
Proof.
have [_ q1] := lq; rewrite -[1 in RHS]q1 -sumrB; apply: eq_bigr => y _.
by rewrite mulrBr mulr1 passesE.
Qed.

Lemma kseq_ge0 x j : 0 <= kseq x j.
Proof.
by rewrite mulr_ge0 ?passes_ge0 // prodr_ge0 // => i _; rewrite subr_ge0 passes_le1.
Qed.

(* what is not accepted was rejected k times *)
Lemma kseq_total x : \sum_j kseq x j = 1 - \prod_i (1 - passes (x i)).
Proof.
have part n : (n <= k)%N -> \sum_(j < k | (j < n)%N) kseq x j = 1 - \prod_(i < k | (i < n)%N) (1 - passes (x i)).
  elim: n => [|n IH] nk; first by rewrite big1 ?big1 ?subrr.
  have same (i : 'I_k) : (i < n.+1)%N && (i != Ordinal nk) = (i < n)%N.
    by rewrite ltnS -val_eqE /= ltn_neqAle andbC.
  rewrite (bigD1 (Ordinal nk)) //= (eq_bigl _ _ same) IH; last exact: ltnW.
  rewrite [X in _ = _ - X](bigD1 (Ordinal nk)) //= (eq_bigl _ _ same) /kseq /=.
  set c := \prod_(i < k | _) _; set u := passes _.
  by rewrite mulrBl mul1r opprB addrCA [c * u]mulrC.
have e : \sum_j kseq x j = \sum_(j < k | (j < k)%N) kseq x j by apply: eq_bigl => j; rewrite ltn_ord.
by rewrite e part //; congr (1 - _); apply: eq_bigl => j; rewrite ltn_ord.
Qed.

Lemma kseq_one y (j : 'I_k) :
  \sum_(x : drafts k T | x j == y) Q x * kseq x j = taken y * (1 - beta) ^+ j.
Proof.
pose F (i : 'I_k) z := if (i < j)%N then q z * (1 - passes z)
  else if i == j then (if z == y then taken z else 0) else q z.
have -> : \sum_(x : drafts k T | x j == y) Q x * kseq x j = \sum_(x : drafts k T) \prod_i F i (x i).
  rewrite big_mkcond; apply: eq_bigr => x _.
  case: ifP => [/eqP xj|xj]; last first.
    by rewrite (bigD1 j) //= /F ltnn eqxx xj mul0r.
  rewrite /iid /kseq [X in _ * (X * _)]big_mkcond mulrA -big_split /= (bigD1 j) //= [RHS](bigD1 j) //=.
  rewrite /F ltnn !eqxx xj eqxx mulr1 mulrAC passesE; congr (_ * _); apply: eq_bigr => i /negbTE ij.
  by rewrite ij; case: ifP; rewrite ?mulr1.
rewrite -bigA_distr_bigA /=; have [_ q1] := lq.
have Fj : \sum_z F j z = taken y by rewrite /F ltnn eqxx -big_mkcond big_pred1_eq.
rewrite (bigD1 j) //= Fj; congr (_ * _).
rewrite (eq_bigr (fun i : 'I_k => if (i < j)%N then 1 - beta else 1)) => [|i /negbTE ij]; last first.
  by rewrite /F ij; case: ifP => _; [exact: rejected | exact: q1].
rewrite -big_mkcondr /= (eq_bigl (fun i : 'I_k => (i < j)%N)) => [|i]; last first.
  by rewrite andbC -val_eqE /=; case: ltngtP.
by rewrite (big_ord_narrow (ltnW (ltn_ord j))) prodr_const card_ord.
Qed.

Definition tries := \sum_(j < k) (1 - beta) ^+ j.

Lemma triesE : beta * tries = 1 - (1 - beta) ^+ k.
Proof. by rewrite -opprB subrX1 -/tries -mulNr opprB opprB addrCA subrr addr0. Qed.

Theorem kseq_got y : got Q kseq y = taken y * tries.
Proof.
rewrite /got /tries mulr_sumr.
rewrite (eq_bigr (fun x : drafts k T => \sum_j if x j == y then Q x * kseq x j else 0)) => [|x _].
  by rewrite exchange_big; apply: eq_bigr => j _; rewrite -big_mkcond kseq_one.
by rewrite mulr_sumr big_mkcond.
Qed.

Theorem kseq_acceptance : acceptance Q kseq = 1 - (1 - beta) ^+ k.
Proof.
by rewrite acceptance_by_token (eq_bigr _ (fun y _ => kseq_got y)) -mulr_suml triesE.
Qed.

Hypothesis valid : 1 - (1 - beta) ^+ k <= rho * beta.

Lemma kseq_le y : got Q kseq y <= p y.
Proof.
have [p0 _] := lp; rewrite kseq_got; have [e|ne] := eqVneq beta 0.
  by rewrite (sum_eq0 taken_ge0 e) mul0r.
have b0 : 0 < beta by rewrite lt_neqAle eq_sym ne beta_ge0.
have t : tries <= rho by rewrite -(ler_pmul2l b0) triesE mulrC.
have t0 : 0 <= tries by apply: sumr_ge0 => j _; rewrite exprn_ge0 // subr_ge0 beta_le1.
apply: (@le_trans _ _ (p y / rho * rho)); last by rewrite divfK ?gt_eqF.
by apply: ler_pmul; rewrite ?taken_ge0 // le_minl lexx.
Qed.

Theorem kseq_verdict : verdict kseq (residual Q p kseq).
Proof.
apply: residual_verdict => //; [exact: kseq_ge0 | move=> x | exact: kseq_le].
by rewrite kseq_total ler_subl_addr ler_addl prodr_ge0 // => i _; rewrite subr_ge0 passes_le1.
Qed.

Theorem kseq_lossless : lossless Q p kseq (residual Q p kseq).
Proof. apply: residual_lossless => //; [exact: iid_law | exact: kseq_le]. Qed.

End KSeq.

(* rho = k is always valid *)
Theorem kseq_at_k (R : realFieldType) (T : finType) k (p q : T -> R) : law p -> law q -> (0 < k)%N ->
  1 - (1 - beta p q k%:R) ^+ k <= k%:R * beta p q k%:R.
Proof.
move=> lp lq k0; have r0 : 0 < k%:R :> R by rewrite ltr0n.
rewrite -triesE mulrC; apply: ler_wpmul2r; first exact: beta_ge0.
rewrite -[k in X in _ <= X]card_ord -sumr_const; apply: ler_sum => j _.
by rewrite exprn_ile1 // ?subr_ge0 ?beta_le1 // ler_subl_addr ler_addl beta_ge0.
Qed.

Print Assumptions kseq_acceptance.
Print Assumptions kseq_verdict.
Print Assumptions kseq_lossless.
Print Assumptions kseq_at_k.
