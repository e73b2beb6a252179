(* A certificate that Rocq checks, written by spechub-lp check-certificate --rocq.

   2 drafts at 3 tokens. Compile it in the folder theory of spechub_lp, after `make`:

     coqc -Q dominance Dominance -Q border Border -Q certificates Certificates FILE.v

   It compiles only if alpha is the optimum. Print Assumptions says what the proof rests on. *)

From Coq Require Import BinPos BinInt.
From Dominance Require Import Program.
From Certificates Require Import Fractions Checker Policies.
From mathcomp Require Import all_ssreflect ssralg ssrnum.

Definition p : seq fraction :=
  ([:: 0 // 1; 1 // 5; 4 // 5])%fraction.

Definition drafted : policy :=
  (WithoutReplacement [:: 3 // 5; 3 // 10; 1 // 10] 0)%fraction.

Definition proof : certificate :=
  (Certificate p
  [:: ([:: 0; 1], [:: (1, 1 // 5); (2, 1 // 4)]);
     ([:: 0; 2], [:: (2, 3 // 20)]);
     ([:: 1; 0], [:: (2, 9 // 35)]);
     ([:: 1; 2], [:: (2, 3 // 70)]);
     ([:: 2; 0], [:: (2, 1 // 15)]);
     ([:: 2; 1], [:: (2, 1 // 30)])]
  [:: 0; 1] (69 // 140))%fraction.

Lemma accepted : well_formed 2 2 drafted && check 2.+1 2 (computed drafted) proof.
Proof. by vm_compute. Qed.

(* `joint` is the distribution of the drafts, and p as a function of tokens is `masses R p` *)
Theorem optimum (R : realFieldType) :
  [/\ law (joint R 2 2 drafted), law (masses R p : 'I_2.+1 -> R)
    & is_optimum (joint R 2 2 drafted) (masses R p) (rational R (69 // 140))].
Proof. exact: certified accepted. Qed.

Print Assumptions optimum.
